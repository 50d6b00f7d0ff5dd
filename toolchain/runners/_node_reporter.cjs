// What `node --test` ran, one JSON object a line while it runs, in the words of the engine's journal. Node's own JUnit
// does not name the files, and a test that calls process.exit(0) makes its file one passed case in it.
"use strict";

const { basename, relative, resolve, sep } = require("node:path");
const { inspect } = require("node:util");

const LIMIT = 16000;
const BROKEN = new Set(["hookFailed", "cancelledByParent"]);

module.exports = async function* journal(source) {
  const root = process.cwd();
  const titles = []; // of the test that is reported and those around it: reports come in order of definition
  const open = new Map(); // began, and did not end
  const printed = new Map(); // by file
  const said = []; // what Node itself remarks, such as an error after the end of a test; it names the file
  const seen = new Map(); // names need not differ
  let ran = 0;
  let collected = null;

  const place = (file) => (file ? relative(root, file).split(sep).join("/") : "");
  const key = (data) => JSON.stringify([data.file, data.line, data.column, data.name, data.nesting]);
  const given = (word) => word !== undefined && word !== null && word !== false;
  const whole = (data) => data.nesting === 0 && data.file && resolve(root, data.name) === data.file;
  const line = (event) => JSON.stringify(event) + "\n";

  function output(data) {
    const remarks = said.filter((message) => message.includes(basename(data.file)));
    return [...remarks, printed.get(data.file) || ""].join("\n");
  }

  function result(data, around, plain, o, msg, out) {
    const f = place(data.file);
    const c = around.join(" > ");
    const path = JSON.stringify([f, c, plain]);
    seen.set(path, (seen.get(path) || 0) + 1);
    const name = seen.get(path) > 1 ? `${plain} (#${seen.get(path)})` : plain;
    const id = [f, c, name].filter(Boolean).join("::");
    const seconds = data.details ? (data.details.duration_ms || 0) / 1000 : 0;
    const event = { e: "result", id, f, c, name, n: 1, o, d: [0, seconds, 0] };
    if (msg) event.msg = msg.slice(0, LIMIT);
    if (out) event.out = out.slice(-LIMIT);
    return line(event);
  }

  function finished(type, data) {
    const suite = data.details && data.details.type === "suite";
    const error = (data.details && data.details.error) || {};
    const failed = type === "test:fail";
    if (!suite) ran += 1;
    if (whole(data)) {
      // The report of a file, which comes only where it holds no case or its process failed.
      if (!failed) return line({ e: "file", f: place(data.file), n: 0, s: data.details.duration_ms / 1000, w: "" });
      if (error.failureType === "subtestsFailed") return "";
      const how = error.signal ? `died of ${error.signal}` : `ended with exit code ${error.exitCode}`;
      const why = error.exitCode === undefined ? String(error.message) : `its process ${how}`;
      return result(data, [], "(file)", error.signal ? "crashed" : "error", why, output(data));
    }
    const around = titles.slice(0, data.nesting);
    if (given(data.skip)) return result(data, around, data.name, "skipped", text(data.skip));
    if (given(data.todo) && !suite) return result(data, around, data.name, failed ? "xfailed" : "skipped", "todo");
    if (!failed) return suite ? "" : result(data, around, data.name, "passed");
    if (suite && (error.failureType === "subtestsFailed" || given(data.todo))) return "";
    const cause = error.cause instanceof Error ? error.cause : error;
    const msg = String((cause && cause.message) || error.cause || error.message || "failed");
    const o = suite || BROKEN.has(error.failureType) ? "error" : "failed";
    return result(data, around, data.name, o, msg, inspect(cause, { colors: false }));
  }

  yield line({ e: "session", t: Date.now() / 1000, pid: process.pid, mode: "parallel", root });
  for await (const { type, data } of source) {
    if (type === "test:dequeue") {
      const many = open.get(key(data)) || [];
      many.push(data);
      open.set(key(data), many);
      const id = whole(data) ? place(data.file) : `${place(data.file)}::${data.name}`;
      yield line({ e: "start", id, n: 1, t: Date.now() / 1000, w: "" });
    } else if (type === "test:complete") {
      (open.get(key(data)) || []).pop();
    } else if (type === "test:start") {
      titles.length = data.nesting;
      titles[data.nesting] = data.name;
    } else if (type === "test:pass" || type === "test:fail") {
      titles.length = Math.max(titles.length, data.nesting);
      const told = finished(type, data);
      if (told) yield told;
    } else if ((type === "test:stdout" || type === "test:stderr") && data.file) {
      printed.set(data.file, ((printed.get(data.file) || "") + data.message).slice(-LIMIT));
    } else if (type === "test:diagnostic" && data.nesting === 0) {
      const match = /^tests (\d+)$/.exec(data.message);
      if (match) collected = Number(match[1]);
      else said.push(data.message);
    }
  }
  for (const [data] of [...open.values()].filter((many) => many.length)) {
    if (whole(data)) continue;
    yield result(data, [], data.name, "crashed", "its process ended before the case did", output(data));
  }
  yield line({ e: "end", exit: null, collected, ran, t: Date.now() / 1000 });
};

function text(word) {
  return typeof word === "string" ? word : "";
}
