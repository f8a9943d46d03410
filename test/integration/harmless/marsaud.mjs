// Another client's part, by @marsaud/smb2. Runs in a child process with --openssl-legacy-provider, since it needs DES.
// Reads one JSON job from standard input, answers one JSON line.
import SMB2 from "@marsaud/smb2";

let input = "";
for await (const chunk of process.stdin) input += chunk;
const { port, domain, username, password, share, rounds } = JSON.parse(input);
const options = { port, domain, username, password, autoCloseTimeout: 0 };
const client = new SMB2({ share: `\\\\127.0.0.1\\${share}`, ...options });

const stored = (path) => path.replaceAll("/", "\\");
const actions = {
  mkdir: (path) => client.mkdir(stored(path)),
  rmdir: (path) => client.rmdir(stored(path)),
  rm: (path) => client.unlink(stored(path)),
  rename: (from, to) => client.rename(stored(from), stored(to)),
};

const refused = [];
for (const steps of rounds) {
  for (const [name, ...paths] of steps) {
    try {
      await actions[name](...paths);
    } catch (error) {
      refused.push(`${name} ${paths.join(" ")}: ${error?.code ?? error?.message ?? error}`);
      break;
    }
  }
}
console.log(JSON.stringify({ refused }));
client.disconnect();
