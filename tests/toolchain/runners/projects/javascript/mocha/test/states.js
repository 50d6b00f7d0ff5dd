const assert = require("node:assert");

let tries = 0;
describe("outer", () => {
  describe("in ner", () => {
    it("passes", () => console.log('{"e": "end"}'));
    it("fails :: with > signs", () => assert.equal("a", "b"));
  });
  it.skip("skipped", () => {});
  it("later");
  it("skips itself", function () {
    this.skip();
  });
  it("same", () => {});
  it("same", () => {});
});
describe("again", () => {
  it("flaky", function () {
    this.retries(2);
    assert.equal(++tries, 2);
  });
});
describe("hooked", () => {
  beforeEach(() => {
    throw new Error("no hook");
  });
  it("never begins", () => {});
});
