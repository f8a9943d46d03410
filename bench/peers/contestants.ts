import { join } from "node:path";
import type { Program } from "./peer.ts";
import type { Peers } from "./programs.ts";
import { VERSIONS } from "./programs.ts";

/** One way to listen. */
export interface Contestant {
  /** For folders and plots. */
  readonly id: "bare" | "library" | "nats" | "worker" | "rust" | "python-own" | "python-shared" | "smbclient";
  readonly name: string;
  readonly program: Program;
  readonly settings: Readonly<Record<string, string>>;
}

const ours = (kind: string): Program => ({
  command: process.execPath,
  args: [join(import.meta.dirname, "listener.mjs"), kind],
});

/** All that can be had here, the floor first. Each measure takes those that it can be measured with. */
export function contestants({ smbprotocol, rust, smbclient }: Peers): Contestant[] {
  const python = `smbprotocol ${VERSIONS.smbprotocol}`;
  const all: (Omit<Contestant, "program"> & { readonly program: Program | undefined })[] = [
    { id: "bare", name: "bare CHANGE_NOTIFY loop", program: ours("bare"), settings: {} },
    { id: "library", name: "smb2nats, the library", program: ours("library"), settings: {} },
    { id: "nats", name: "smb2nats, NATS subscriber", program: ours("nats"), settings: {} },
    { id: "worker", name: "smb2nats, a worker", program: ours("worker"), settings: {} },
    { id: "rust", name: `smb2 ${VERSIONS.smb2} (Rust)`, program: rust, settings: {} },
    {
      id: "python-own",
      name: `${python}, a connection each, 4096 bytes (Sambee's way)`,
      program: smbprotocol,
      settings: { connection: "own", buffer: "4096" },
    },
    {
      id: "python-shared",
      name: `${python}, one connection, 64 KiB`,
      program: smbprotocol,
      settings: { connection: "shared", buffer: "65536" },
    },
    { id: "smbclient", name: "smbclient notify", program: smbclient, settings: {} },
  ];
  return all.flatMap(({ program, ...rest }) => (program === undefined ? [] : [{ ...rest, program }]));
}
