#!/usr/bin/env node
// smb2nats watch nas1 /Media -r --json | node on-change.mjs [--wait MS] [--cursor FILE] COMMAND [ARG...]
//
// Runs COMMAND once for each directory that changed, `{}` in its arguments replaced by the path: one at a time, after
// --wait (2000) ms, in which further changes join. SMB2NATS_SCOPE is `self`, or `subtree` where all below may have
// changed unseen. The cursor of what was dealt with goes to --cursor, for `smb2nats watch --since`. A command that
// fails is tried again after a while: nothing is skipped, and nothing else is done before.
import { spawn } from "node:child_process";
import { renameSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";

const options = { wait: { type: "string", default: "2000" }, cursor: { type: "string" } };
const split = process.argv.findIndex(
  (arg, i) => i > 1 && !arg.startsWith("--") && !/^--(wait|cursor)$/.test(process.argv[i - 1]),
);
const { values } = parseArgs({ args: process.argv.slice(2, split < 0 ? undefined : split), options });
const [command, ...args] = split < 0 ? [] : process.argv.slice(split);
if (command === undefined) {
  console.error("usage: … | node on-change.mjs [--wait MS] [--cursor FILE] COMMAND [ARG...]");
  process.exit(2);
}

/** Path -> scope. */
let due = new Map();
let cursor;
let working;
let ended = false;

for await (const line of createInterface({ input: process.stdin })) {
  const event = JSON.parse(line);
  cursor = event.cursor ?? cursor;
  if (event.type === "changes") due.set(event.path, due.get(event.path) ?? "self");
  else if (event.type === "resync")
    due.set(event.path, due.get(event.path) === "subtree" ? "subtree" : event.scope);
  else continue;
  working ??= work();
}
ended = true;
await working;

async function work() {
  while (due.size > 0) {
    if (!ended) await delay(Number(values.wait));
    const [batch, upTo] = [due, cursor];
    due = new Map();
    for (const [path, scope] of batch) {
      for (let pause = 1_000; !(await run(path, scope)); pause = Math.min(pause * 2, 60_000))
        await delay(pause);
    }
    if (values.cursor !== undefined && upTo !== undefined) {
      // Whole or not at all: it is read after a crash.
      writeFileSync(`${values.cursor}.new`, upTo);
      renameSync(`${values.cursor}.new`, values.cursor);
    }
  }
  working = undefined;
}

function run(path, scope) {
  return new Promise((resolve) => {
    const child = spawn(
      command,
      args.map((arg) => arg.replaceAll("{}", path)),
      {
        stdio: ["ignore", "inherit", "inherit"],
        env: { ...process.env, SMB2NATS_SCOPE: scope, SMB2NATS_PATH: path },
      },
    );
    child.once("error", (error) => {
      console.error(`${command}: ${error.message}`);
      resolve(false);
    });
    child.once("close", (code) => resolve(code === 0));
  });
}
