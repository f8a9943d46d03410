import { EventEmitter } from "node:events";
import type { Context } from "../../../src/cli/command.ts";
import { Output } from "../../../src/cli/output.ts";

/** A terminal that remembers. */
export class FakeStream extends EventEmitter {
  text = "";
  readonly isTTY: boolean;
  constructor(isTTY = false) {
    super();
    this.isTTY = isTTY;
  }
  write(text: string): boolean {
    this.text += text;
    return true;
  }
}

/** A keyboard. */
export class FakeKeyboard extends EventEmitter {
  readonly isTTY: boolean;
  raw: boolean[] = [];
  constructor(isTTY = true) {
    super();
    this.isTTY = isTTY;
  }
  setRawMode(raw: boolean): void {
    this.raw.push(raw);
  }
  resume(): void {}
  pause(): void {}
}

export interface FakeTerminal {
  readonly context: Context;
  readonly stdout: FakeStream;
  readonly stderr: FakeStream;
  readonly stdin: FakeKeyboard;
}

export function fakeTerminal(
  env: Record<string, string | undefined> = {},
  { tty = false }: { readonly tty?: boolean } = {},
): FakeTerminal {
  const stdout = new FakeStream(tty);
  const stderr = new FakeStream(tty);
  const stdin = new FakeKeyboard(tty);
  const out = new Output({ stdout, stderr, env });
  const context = { stdout, stderr, env, out, stdin: stdin as unknown as Context["stdin"] };
  return { context, stdout, stderr, stdin };
}
