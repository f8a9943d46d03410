import { describe, expect, it } from "vitest";
import { file, pageModule } from "./modules.ts";

interface Key {
  readonly key: string;
  readonly altKey?: boolean;
  readonly ctrlKey?: boolean;
  readonly metaKey?: boolean;
}
interface TypeAhead {
  find(text: string, rows: readonly object[], from: number, now: number): number;
  goesOn(now: number): boolean;
}
const { meaningOf, TypeAhead } = await pageModule<{
  meaningOf(key: Key): unknown;
  TypeAhead: new () => TypeAhead;
}>("keys");

describe("a key in a list of files", () => {
  it.each<[Key, unknown]>([
    [{ key: "ArrowDown" }, { do: "move", where: "down" }],
    [{ key: "PageUp" }, { do: "move", where: "pageUp" }],
    [{ key: "End" }, { do: "move", where: "last" }],
    [{ key: "Enter" }, { do: "open" }],
    [{ key: "Backspace" }, { do: "parent" }],
    [{ key: "ArrowUp", altKey: true }, { do: "parent" }],
    [{ key: "é" }, { do: "type", text: "é" }],
    [{ key: "😀" }, { do: "type", text: "😀" }],
    // These are the browser's, and the reader's.
    [{ key: "r", ctrlKey: true }, undefined],
    [{ key: "ArrowLeft", altKey: true }, undefined],
    [{ key: "ArrowUp", metaKey: true }, undefined],
    [{ key: "Tab" }, undefined],
    [{ key: "F5" }, undefined],
    [{ key: "Dead" }, undefined],
  ])("%o means %o", (key, meaning) => {
    expect(meaningOf(key)).toEqual(meaning);
  });
});

describe("typing a name", () => {
  const rows = ["alps", "Bern", "bonn", "Übung", "U\u0308ber", "with space"].map((name) => file(name));

  it("goes to the first that begins so, however it is written", () => {
    const typing = new TypeAhead();
    expect(typing.find("b", rows, -1, 0)).toBe(1);
    expect(typing.find("o", rows, 1, 100)).toBe(2);
    expect(typing.find("ü", rows, 2, 5_000)).toBe(3);
    expect(typing.find("b", rows, 3, 5_100)).toBe(3);
    expect(typing.find("e", rows, 3, 5_200)).toBe(4);
    expect(typing.find("x", rows, 4, 9_000)).toBe(-1);
    expect(typing.find("b", [], -1, 20_000)).toBe(-1);
  });

  it("goes through all that begin with a letter pressed again and again, and round", () => {
    const typing = new TypeAhead();
    expect(typing.find("b", rows, -1, 0)).toBe(1);
    expect(typing.find("b", rows, 1, 100)).toBe(2);
    expect(typing.find("b", rows, 2, 200)).toBe(1);
  });

  it("has a space go on with a name, and not begin one", () => {
    const typing = new TypeAhead();
    expect(typing.goesOn(0)).toBe(false);
    for (const [index, letter] of [..."with"].entries()) typing.find(letter, rows, 0, index);
    expect(typing.goesOn(100)).toBe(true);
    expect(typing.find(" ", rows, 5, 100)).toBe(5);
    expect(typing.goesOn(5_000)).toBe(false);
  });
});
