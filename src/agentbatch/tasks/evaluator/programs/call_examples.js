// Runs in the workspace, by `node -e`: calls of one module's functions, and what came of them, as call_examples.py does
// for Python; see there. Its one argument is JSON: `nonce`, `path`, and `calls`, each with `function` and `given`, a list
// of values. It prints a line for each call, the nonce and JSON: `json`, the value as JSON (null: it is none), and
// `shown`; or `raised` and `words`; or `missing`.
"use strict";
const fs = require("fs");
const path = require("path");
const url = require("url");
const util = require("util");

const MAX = 400;
const AWAY = /^(ENOENT|EACCES|ECONN|ENOTFOUND|(ERR_)?MODULE_NOT_FOUND)/;
const BROWSER = /^(document|window|navigator|location|localStorage|self) is not defined/;

async function main(given) {
  const say = (what) => fs.writeSync(1, given.nonce + " " + JSON.stringify(what) + "\n");
  for (const stream of [process.stdout, process.stderr]) stream.write = () => true;
  const file = path.resolve(given.path);
  let module;
  try {
    module = file.endsWith(".mjs") ? await import(url.pathToFileURL(file)) : await load(file);
  } catch (error) {
    say({ import: true, ...described(error) });
    return;
  }
  for (const call of given.calls) say(await outcome(module, call));
}

async function load(file) {
  try {
    return require(file);
  } catch (error) {
    if (error instanceof SyntaxError || error.code === "ERR_REQUIRE_ESM") return import(url.pathToFileURL(file));
    throw error;
  }
}

async function outcome(module, call) {
  const inner = module.default;
  const named = [module, inner].map((one) => one && one[call.function]).find((one) => typeof one === "function");
  const target = named || [module, inner].find((one) => typeof one === "function");
  if (!target) return { missing: true };
  try {
    const value = await target(...call.given);
    const json = JSON.stringify(value);
    const plain = json !== undefined && util.isDeepStrictEqual(JSON.parse(json), value);
    return { json: plain && json.length <= MAX ? json : null, shown: util.inspect(value).slice(0, MAX) };
  } catch (error) {
    return described(error);
  }
}

function described(error) {
  const raised = [];
  for (let kind = error; kind && raised.length < 20; kind = Object.getPrototypeOf(kind)) {
    if (kind.constructor && !raised.includes(kind.constructor.name)) raised.push(kind.constructor.name);
  }
  // What is not there is no fault; nor is a module that only a browser or a newer node reads (its form is looked at).
  const words = String((error && error.message) || error);
  if (AWAY.test(String(error && error.code)) || BROWSER.test(words) || error instanceof SyntaxError) {
    raised.push("OSError");
  }
  if (raised.includes("Error")) raised.push("Exception");
  return { raised, words: words.split("\n")[0].slice(0, MAX / 2) };
}

main(JSON.parse(process.argv[1])).then(() => process.exit(0));
