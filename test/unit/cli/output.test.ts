import { describe, expect, it } from "vitest";
import { printable, printableLines } from "../../../src/base/printable.ts";
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
    expect(printable("a\ud800b")).toBe("a\\u{d800}b");
    expect(printableLines("a\n\tb\u009b")).toBe("a\n\tb\\u{9b}");
  });

  it("... in whatever way they are printed, and keeps our own colours", () => {
    const name = "x\u001b[2J\u009bJ\u202e";
    const { context, stdout, stderr } = fakeTerminal({}, { tty: true });
    const { out } = context;
    out.data(`${out.style("red", "m")} ${name}`);
    out.table([[name, out.style("bold", "n")], ["a\nb"]]);
    out.say(name);
    out.error(`${name}\nforged`);
    const safe = "x\\u{1b}[2J\\u{9b}J\\u{202e}";
    expect(stdout.text).toBe(`\u001b[31mm\u001b[39m ${safe}\n${safe}  \u001b[1mn\u001b[22m\na\\u{a}b\n`);
    expect(stderr.text).toBe(`${safe}\n\u001b[31merror:\u001b[39m ${safe}\\u{a}forged\n`);
    // Not even a colour where we give none.
    const plain = fakeTerminal();
    plain.context.out.data("\u001b[31mred");
    expect(plain.stdout.text).toBe("\\u{1b}[31mred\n");
  });

  it("escapes in JSON what a terminal would act upon, and says the same", () => {
    const value = { "k\u202e": "a\u001b\u007f\u009b\u2028\u{e0001}\ud800 Übung 😀\n" };
    const { context, stdout } = fakeTerminal();
    context.out.json(value);
    expect(stdout.text).toBe(
      '{"k\\u202e":"a\\u001b\\u007f\\u009b\\u2028\\udb40\\udc01\\ud800 Übung 😀\\n"}\n',
    );
    expect(JSON.parse(stdout.text)).toEqual(value);
  });
});
