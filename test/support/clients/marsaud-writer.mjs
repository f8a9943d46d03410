// Makes changes on a share through @marsaud/smb2, a client that no one here wrote. Runs in a child process with
// --openssl-legacy-provider, since it needs DES. Reads one JSON job from standard input, answers one JSON line.
import SMB2 from "@marsaud/smb2";

let input = "";
for await (const chunk of process.stdin) input += chunk;
const { port, domain, username, password, share, steps } = JSON.parse(input);
const connect = () =>
  new SMB2({
    share: `\\\\127.0.0.1\\${share}`,
    port,
    domain,
    username,
    password,
    autoCloseTimeout: 0,
  });
let client = connect();
const done = [];

/**
 * It takes an interim response (STATUS_PENDING), which a server may send to anything, for a failure, and never
 * closes what was opened in the end: a new connection makes the server do so, which takes it a moment.
 */
async function step(method, args, tries = 10) {
  try {
    await client[method](...args);
  } catch (error) {
    const code = String(error?.code ?? error);
    // What had seemed to fail was done.
    if (tries < 10 && /NAME_COLLISION|NAME_NOT_FOUND/.test(code)) return;
    if (!/PENDING|SHARING_VIOLATION/.test(code) || tries <= 1) throw error;
    client.disconnect();
    client = connect();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await step(method, args, tries - 1);
  }
}

try {
  for (const [method, ...args] of steps) {
    await step(method, args);
    done.push(method);
  }
  console.log(JSON.stringify({ done }));
} catch (error) {
  console.log(JSON.stringify({ done, error: String(error?.code ?? error?.message ?? error) }));
  process.exitCode = 1;
} finally {
  client.disconnect();
}
