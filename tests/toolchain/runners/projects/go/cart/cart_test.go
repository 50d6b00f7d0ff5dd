package cart

import "testing"

func TestAdds(t *testing.T)    {}
func TestRemoves(t *testing.T) { t.Error("one left") }
func TestLater(t *testing.T)   { t.Skip("later") }
func TestMany(t *testing.T) {
	for name, n := range map[string]int{"one": 1, "two": 2} {
		n := n
		t.Run(name, func(t *testing.T) {
			if n > 1 {
				t.Fatalf("%d is too many", n)
			}
		})
	}
}
