let tries = 0;
describe("outer", () => {
  describe("in ner", () => {
    test("passes", () => console.log('{"numTotalTests": 0}'));
    test("fails :: with > signs", () => expect("a").toBe("b"));
  });
  test.skip("skipped", () => {});
  test.todo("later");
  test.failing("known", () => expect(1).toBe(2));
  test.each([1, 2])("n %d", () => {});
  test("same", () => {});
  test("same", () => {});
});
describe("again", () => {
  jest.retryTimes(2);
  test("flaky", () => expect(++tries).toBe(2));
});
