import { describe, expect, test } from "vitest";

let tries = 0;
describe("outer", () => {
  describe("in ner", () => {
    test("passes", () => console.log('{"numTotalTests": 0}'));
    test("fails :: with > signs", () => expect("a").toBe("b"));
  });
  test.skip("skipped", () => {});
  test.todo("later");
  test.fails("known", () => expect(1).toBe(2));
  test.each([1, 2])("n %d", () => {});
  test("same", () => {});
  test("same", () => {});
});
describe("again", () => {
  test("flaky", { retry: 2 }, () => expect(++tries).toBe(2));
});
