import { test } from "vitest";
test.only("shown", () => {});
test("hidden", () => {});
