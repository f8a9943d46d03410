import { describe, expect, it } from "vitest";
import { printable } from "../../../src/cli/output.ts";
import { fakeTerminal } from "./terminal.ts";

describe("output", () => {
  it("has colour on a terminal, and none with NO_COLOR, TERM=dumb or a pipe", () => {
    const styled = (env: Record<string, string>, tty: boolean): string =>
      fakeTerminal(env, { tty }).context.out.style("red", "x");
    expect(styled({}, true)).toBe("\u001b[31mx\u001b[39m");
    expect(styled({ NO_COLOR: "1" }, true)).toBe("x");
    expect(styled({ TERM: "dumb" }, true)).toBe("x");
    expect(styled({}, false)).toBe("x");
  });

  it("falls silent when its reader has gone", () => {
    const { context, stdout } = fakeTerminal();
    context.out.data("one");
    stdout.emit("error", Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
    context.out.data("two");
    expect(stdout.text).toBe("one\n");
    expect(context.out.gone.aborted).toBe(true);
  });

  it("does not let names from a server drive the terminal", () => {
    expect(printable("a\u001b[2Jb\u202ec\n")).toBe("a\\u{1b}[2Jb\\u{202e}c\\u{a}");
    expect(printable("Übung 😀")).toBe("Übung 😀");
  });
});
