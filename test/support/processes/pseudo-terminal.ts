import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { until } from "../until.ts";

/** util-linux's `script`, which Debian always has, gives a program a terminal and us what it writes there. */
export function missingScript(): string | undefined {
  const found = (process.env["PATH"] ?? "").split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, "script"), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
  return found ? undefined : "script(1) of util-linux is not installed";
}

/** A program on a real pseudo-terminal. */
export interface OnTerminal {
  /** Everything the terminal was sent, standard output and error alike. */
  readonly shown: string;
  readonly ended: Promise<number | null>;
  until(text: string): Promise<void>;
  /** Ctrl-C, as a person would. */
  interrupt(): void;
  /** Ends it for good. A service takes the end of its terminal (SIGHUP) for a wish to read its configuration again. */
  close(): Promise<void>;
}

export function onTerminal(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): OnTerminal {
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  const child = spawn("script", ["-qec", `exec ${quoted}`, "/dev/null"], {
    stdio: ["pipe", "pipe", "inherit"],
    env: { PATH: process.env["PATH"], TERM: "xterm-256color", ...env },
  });
  let shown = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    shown += chunk;
  });
  child.stdin.on("error", () => undefined);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const interrupt = (): void => void child.stdin.write("\u0003");
  return {
    get shown() {
      return shown;
    },
    ended,
    async until(text) {
      await until(`${JSON.stringify(text)} on the terminal`, () => shown.includes(text)).catch(
        (cause: unknown) => {
          throw new Error(JSON.stringify(shown.slice(-3_000)), { cause });
        },
      );
    },
    interrupt,
    async close() {
      // The second one ends at once.
      for (let presses = 0; presses < 2 && child.exitCode === null; presses++) {
        interrupt();
        await Promise.race([ended, delay(2_000, undefined, { ref: false })]);
      }
      child.kill("SIGKILL");
    },
  };
}

/**
 * What a terminal would act upon in this text, by code point: everything that a name must not bring there. Colours, line
 * ends and tabs are ours; whether a line end is ours only the caller can tell.
 */
export function actsUpon(shown: string): readonly string[] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours
  const text = shown.replace(/\u001b\[\d{1,3}m/g, "");
  const active = text.match(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu) ?? [];
  return [...new Set(active)]
    .filter((char) => !"\r\n\t".includes(char))
    .map((char) => `U+${(char.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
}
