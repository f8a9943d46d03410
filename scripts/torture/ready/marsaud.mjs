// Writes files through @marsaud/smb2, which needs --openssl-legacy-provider. First line of standard input: where; then jobs,
// {id, path, pieces: [{bytes, pauseMs}], append}, each answered by a line.
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import SMB2 from "@marsaud/smb2";

const TRIES = 20;
let where;

/** A connection for each file: when it takes an interim response for a failure, only that ends what it has left open. */
const connect = () =>
  new SMB2({
    share: `\\\\127.0.0.1\\${where.share}`,
    port: where.port,
    domain: where.domain,
    username: where.username,
    password: where.password,
    autoCloseTimeout: 0,
  });

/** Its server closes the connection when it miscounts message ids (seen with 4.17), which it does not notice by itself. */
function ended(client) {
  return new Promise((_resolve, reject) => {
    client.socket.once("end", () => reject(new Error("CONNECTION_ENDED")));
  });
}

/** What it was said to wait for is done all the same. */
async function despiteInterim(call) {
  try {
    await call;
  } catch (error) {
    if (!/PENDING/.test(String(error?.code))) throw error;
  }
}

async function write({ path, pieces, append }) {
  const name = path.replaceAll("/", "\\");
  const began = Date.now();
  let leaked = false;
  for (let left = TRIES; ; left--) {
    const client = connect();
    const over = ended(client);
    over.catch(() => undefined);
    const unlessEnded = (call) => Promise.race([call, over]);
    try {
      let size = append ? Number(await unlessEnded(client.getSize(name))) : 0;
      const file = await unlessEnded(client.open(name, append ? "r" : "w"));
      const openedAt = Date.now();
      for (const { bytes, pauseMs } of pieces) {
        const content = Buffer.alloc(bytes, 1);
        if (bytes > 0)
          await despiteInterim(unlessEnded(client.write(file, content, undefined, undefined, size)));
        size += bytes;
        await delay(pauseMs);
      }
      const closingAt = Date.now();
      await despiteInterim(unlessEnded(client.close(file)));
      return { openedAt, closingAt, closedAt: Date.now(), size, ...(leaked ? { triedAt: began } : {}) };
    } catch (error) {
      const code = String(error?.code ?? error?.message ?? error);
      // What it was said to wait for is open until its connection ends, and then it is asked for once more.
      if (!(/PENDING|CONNECTION_ENDED/.test(code) || (leaked && /SHARING_VIOLATION/.test(code))) || left <= 1)
        throw error;
      leaked = true;
    } finally {
      client.disconnect();
    }
    await delay(100);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  if (where === undefined) {
    where = job;
    continue;
  }
  write(job).then(
    (hold) => console.log(JSON.stringify({ id: job.id, ...hold })),
    (error) =>
      console.log(JSON.stringify({ id: job.id, error: String(error?.code ?? error?.message ?? error) })),
  );
}
