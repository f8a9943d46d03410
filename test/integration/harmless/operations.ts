import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What another client is asked to do. Paths are of the share, with `/`. `deltree` removes what is in it first, as `rm -rf` does. */
export type Step =
  | readonly ["mkdir" | "rmdir" | "rm" | "deltree", string]
  | readonly ["rename", from: string, to: string];

/** What another client does to a tree while it is watched. Each round has a name of its own. */
export interface Operation {
  readonly name: string;
  /** Makes on the server what is to be worked on, before anybody watches. */
  prepare(root: string, round: string): void;
  /** One right after the other: nothing else happens between two of them. */
  steps(round: string): readonly Step[];
  /** Directories that somebody asked for by themselves. */
  pinned?(round: string): string;
}

const made = (root: string, directories: readonly string[], files: readonly string[] = []): void => {
  for (const path of directories) mkdirSync(join(root, path), { recursive: true });
  for (const path of files) writeFileSync(join(root, path), path);
};

const TEN_LEVELS = "1/2/3/4/5/6/7/8/9/10";

export const operations: readonly Operation[] = [
  {
    name: "removing a tree with files in it",
    prepare: (root, t) => made(root, [`${t}/a/b`, `${t}/d`], [`${t}/a/b/f`, `${t}/a/c`]),
    steps: (t) => [["deltree", t]],
  },
  {
    name: "removing a tree of ten empty directories",
    prepare: (root, t) => made(root, [`${t}/${TEN_LEVELS}`]),
    steps: (t) => [["deltree", t]],
    pinned: (t) => `/${t}/1/2/3`,
  },
  {
    name: "renaming a directory three levels above one that is watched",
    prepare: (root, t) => made(root, [`${t}/1/2/3`], [`${t}/1/2/3/f`]),
    steps: (t) => [["rename", t, `${t}-other`]],
    pinned: (t) => `/${t}/1/2/3`,
  },
  {
    name: "moving a directory into another",
    prepare: (root, t) => made(root, [`${t}/from/x/y`, `${t}/to`], [`${t}/from/x/y/f`]),
    steps: (t) => [
      ["rename", `${t}/from/x`, `${t}/to/x`],
      ["rename", `${t}/to`, `${t}/from/to`],
    ],
  },
  {
    name: "renaming directories on each of five levels",
    prepare: (root, t) => made(root, [`${t}/1/2/3/4`], [`${t}/1/2/3/4/f`]),
    steps: (t) => [
      ["rename", `${t}/1/2/3/4`, `${t}/1/2/3/d`],
      ["rename", `${t}/1/2/3`, `${t}/1/2/c`],
      ["rename", `${t}/1/2`, `${t}/1/b`],
      ["rename", `${t}/1`, `${t}/a`],
      ["rename", t, `${t}-other`],
    ],
  },
  {
    name: "making a directory again at once under its name",
    prepare: (root, t) => made(root, [`${t}/again`]),
    steps: (t) => [
      ["rmdir", `${t}/again`],
      ["mkdir", `${t}/again`],
      ["rmdir", `${t}/again`],
      ["rmdir", t],
      ["mkdir", t],
    ],
    pinned: (t) => `/${t}/again`,
  },
  {
    name: "replacing a directory by a renamed one",
    prepare: (root, t) => made(root, [`${t}/old`, `${t}/new`], [`${t}/old/f`, `${t}/new/f`]),
    steps: (t) => [
      ["deltree", `${t}/old`],
      ["rename", `${t}/new`, `${t}/old`],
    ],
    pinned: (t) => `/${t}/old`,
  },
  {
    name: "removing, making and replacing files",
    prepare: (root, t) => made(root, [`${t}/x`], [`${t}/x/f`, `${t}/x/g`]),
    steps: (t) => [
      ["rm", `${t}/x/f`],
      ["rename", `${t}/x/g`, `${t}/x/f`],
      ["mkdir", `${t}/x/g`],
      ["rmdir", `${t}/x/g`],
      ["rename", `${t}/x/f`, `${t}/x/g`],
      ["rm", `${t}/x/g`],
      ["rmdir", `${t}/x`],
      ["rmdir", t],
    ],
  },
];
