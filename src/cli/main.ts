#!/usr/bin/env node
import { leaveWhenWritten } from "./leave.ts";
import { Output } from "./output.ts";
import { runProgram } from "./program.ts";

const { stdout, stderr, stdin, env } = process;
const out = new Output({ stdout, stderr, env });
// The code is set, not forced: what was written to a pipe still has to leave.
process.exitCode = await runProgram(process.argv.slice(2), { stdout, stderr, stdin, env, out });
leaveWhenWritten([stdout, stderr]);
