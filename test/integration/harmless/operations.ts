import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** What another client does to a tree while it is watched. Each round has a name of its own. */
export interface Operation {
  readonly name: string;
  /** Makes on the server what is to be worked on, before anybody watches. */
  prepare(root: string, round: string): void;
  /** smbclient commands, `;`-separated: nothing else happens between two of them. */
  commands(round: string): string;
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
    commands: (t) => `deltree ${t}`,
  },
  {
    name: "removing a tree of ten empty directories",
    prepare: (root, t) => made(root, [`${t}/${TEN_LEVELS}`]),
    commands: (t) => `deltree ${t}`,
    pinned: (t) => `/${t}/1/2/3`,
  },
  {
    name: "renaming a directory three levels above one that is watched",
    prepare: (root, t) => made(root, [`${t}/1/2/3`], [`${t}/1/2/3/f`]),
    commands: (t) => `rename ${t} ${t}-other`,
    pinned: (t) => `/${t}/1/2/3`,
  },
  {
    name: "moving a directory into another",
    prepare: (root, t) => made(root, [`${t}/from/x/y`, `${t}/to`], [`${t}/from/x/y/f`]),
    commands: (t) => `rename ${t}\\from\\x ${t}\\to\\x; rename ${t}\\to ${t}\\from\\to`,
  },
  {
    name: "making a directory again at once under its name",
    prepare: (root, t) => made(root, [`${t}/again`]),
    commands: (t) => `rmdir ${t}\\again; mkdir ${t}\\again; rmdir ${t}\\again; rmdir ${t}; mkdir ${t}`,
    pinned: (t) => `/${t}/again`,
  },
  {
    name: "replacing a directory by a renamed one",
    prepare: (root, t) => made(root, [`${t}/old`, `${t}/new`], [`${t}/old/f`, `${t}/new/f`]),
    commands: (t) => `deltree ${t}\\old; rename ${t}\\new ${t}\\old`,
    pinned: (t) => `/${t}/old`,
  },
  {
    name: "removing, making and replacing files",
    prepare: (root, t) => made(root, [`${t}/x`], [`${t}/x/f`, `${t}/x/g`]),
    commands: (t) =>
      `cd ${t}\\x; rm f; rename g f; mkdir g; rmdir g; rename f g; rm g; cd ..; rmdir x; cd ..; rmdir ${t}`,
  },
];
