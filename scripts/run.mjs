// node scripts/run.mjs [--bare] <script.ts> [args]: sets the machine up, builds, then runs a TypeScript script.
// --bare: for scripts that need neither servers nor the build.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { root, run, setup } from "./setup.mjs";

const bare = process.argv[2] === "--bare";
const [script, ...args] = process.argv.slice(bare ? 3 : 2);
setup(bare ? [] : ["smbd", "smbclient", "nats-server"]);
if (!bare) run(process.execPath, [join(root, "scripts", "build.mjs")], { cwd: root });
const child = spawn(process.execPath, ["--import", "tsx", join(root, script), ...args], {
  cwd: root,
  stdio: "inherit",
});
// The terminal signals the whole foreground group; what is sent to this process alone is passed on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
child.on("close", (code, signal) => {
  process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
});
