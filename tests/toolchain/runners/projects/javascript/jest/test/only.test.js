test.only("shown", () => {});
test("hidden", () => {});
