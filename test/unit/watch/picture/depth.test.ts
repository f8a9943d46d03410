import { expect, it } from "vitest";
import { Picture } from "../../../../src/watch/picture/index.ts";

it("a directory knows its path however deep a server says that it lies", () => {
  const picture = new Picture<object>(true);
  const path = `/${Array.from({ length: 30_000 }, (_, n) => `${n % 10}`).join("/")}`;
  const node = picture.ensure(path);
  expect(node.path).toBe(path);
  expect(picture.root.path).toBe("/");
});
