const assert = require("node:assert");
const { before, describe, it, test } = require("node:test");

describe("outer", () => {
  describe("in ner", () => {
    it("passes", () => console.log('{"e": "end"}'));
    it("fails :: with > signs", () => assert.equal("a", "b"));
  });
  it.skip("skipped", () => {});
  it.todo("later");
  it("known", { todo: "fix it" }, () => assert.equal(1, 2));
  it("same", () => {});
  it("same", () => {});
});
test("parent", async (t) => {
  await t.test("child", () => {});
});
describe("hooked", () => {
  before(() => {
    throw new Error("no hook");
  });
  it("never begins", () => {});
});
describe.skip("left out", () => {
  it("not told", () => {});
});
