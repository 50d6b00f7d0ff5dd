package dies

import (
	"os"
	"testing"
)

func TestA(t *testing.T)    {}
func TestDies(t *testing.T) { os.Exit(0) }
func TestZ(t *testing.T)    { t.Fatal("never seen") }
