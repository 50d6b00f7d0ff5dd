// What Mocha ran, one JSON object a line while it runs, in the words of the engine's journal. Mocha's own JSON reporter
// writes at the very end, and does not tell about earlier attempts, hidden cases and when a case began.
"use strict";

const { openSync, writeSync } = require("node:fs");
const { relative, sep } = require("node:path");

const now = Date.now; // the tests may replace the clock
const LIMIT = 16000;

module.exports = function Journal(runner, options) {
  const told = options.reporterOptions || options.reporterOption || {};
  const fd = openSync(decodeURIComponent(told["tes-journal"]), "w");
  const root = process.cwd(); // the tests may change it
  const seen = new Map(); // how often a name was begun: names need not differ
  let waiting = "";
  let ran = 0;

  function say(event) {
    waiting += JSON.stringify(event) + "\n";
    try {
      writeSync(fd, waiting);
      waiting = "";
    } catch {
      // A test has replaced the file system for a while: with the next event.
    }
  }

  function identity(test, begins) {
    const titles = test.titlePath();
    const f = test.file ? relative(root, test.file).split(sep).join("/") : "";
    const c = titles.slice(0, -1).join(" > ");
    const plain = titles[titles.length - 1];
    const path = JSON.stringify([f, titles]);
    if (begins || !seen.has(path)) seen.set(path, (seen.get(path) || 0) + 1);
    const name = seen.get(path) > 1 ? `${plain} (#${seen.get(path)})` : plain;
    return { id: [f, c, name].filter(Boolean).join("::"), f, c, name };
  }

  function result(test, o, error, begins = false) {
    const n = (test.currentRetry ? test.currentRetry() : 0) + 1;
    const seconds = (test.duration || 0) / 1000;
    const event = { e: "result", ...identity(test, begins), n, o, t: began || now() / 1000, d: [0, seconds, 0] };
    if (error !== undefined && error !== null) {
      event.msg = String(error.message || error).slice(0, LIMIT);
      event.out = String(error.stack || event.msg).slice(0, LIMIT);
    }
    say(event);
  }

  if (told["tes-shard"]) divide(runner, told["tes-shard"], options, say);
  const before = runner.suite.total();
  let began = 0;
  let open = null; // the test that is running
  let collected = 0;

  runner.on("start", () => {
    // Only now are those gone that an .only hides; --grep hides others, and means to.
    const hidden = before - runner.suite.total();
    if (hidden > 0) say({ e: "note", text: `an .only hides ${hidden} case(s)` });
    collected = runner.grepTotal(runner.suite);
    say({ e: "session", t: now() / 1000, pid: process.pid, workers: 1, mode: "serial", root });
  });
  runner.on("test", (test) => {
    began = now() / 1000;
    open = test;
    const again = test.currentRetry && test.currentRetry() > 0;
    say({ e: "start", ...identity(test, !again), n: again ? test.currentRetry() + 1 : 1, t: began, w: "" });
  });
  runner.on("pass", (test) => {
    ran += 1;
    result(test, "passed");
  });
  runner.on("retry", (test, error) => result(test, "failed", error));
  runner.on("fail", (test, error) => {
    if (test.type !== "hook") ran += 1;
    result(test, test.type === "hook" ? "error" : "failed", error, test.type === "hook");
  });
  runner.on("pending", (test) => {
    ran += 1;
    result(test, "skipped", undefined, test !== open);
  });
  runner.on("test end", () => {
    began = 0;
    open = null;
  });
  runner.on("end", () => say({ e: "end", exit: runner.failures, collected, ran, t: now() / 1000 }));
};

// Leaves the files of one shard, `2/3`. All files are loaded, so that hooks outside of any suite hold in every shard.
function divide(runner, shard, options, say) {
  if (options.parallel) {
    say({ e: "problem", text: "mocha --parallel cannot be divided into shards: leave out one of the two" });
    return;
  }
  const [index, total] = shard.split("/").map(Number);
  const { suite } = runner;
  const files = [...new Set([...suite.suites, ...suite.tests].map((one) => one.file || ""))].sort();
  const mine = new Set(files.filter((_, number) => number % total === index - 1));
  suite.suites = suite.suites.filter((one) => mine.has(one.file || ""));
  suite.tests = suite.tests.filter((one) => mine.has(one.file || ""));
  runner.total = runner.grepTotal(suite);
}
