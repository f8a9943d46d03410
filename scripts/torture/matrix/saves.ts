import {
  cpSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { baseName, foldCase, joinPath, parentOf } from "../../../src/base/path.ts";
import type { Operation } from "./operations.ts";
import type { Stage } from "./stage.ts";

/*
 * How programs save, back up, swap, sync and clean: few names and many changes of what they mean, by local processes and
 * by another client. What a consumer has by a name must be what is there by that name.
 */

const NAMES = ["doc", "doc.bak", "doc.tmp", "work", "out"] as const;

/** One of few names in some directory, spelled as it is there, if it is. */
function place(stage: Stage, name: string = stage.chance.pick(NAMES), at = stage.directory()): string {
  let names: string[] = [];
  try {
    names = readdirSync(stage.real(at));
  } catch {
    // It went away meanwhile.
  }
  return joinPath(at, names.find((one) => foldCase(one) === foldCase(name)) ?? name);
}

/** Two names of one directory, or of two. */
function places(stage: Stage): [string, string] {
  const [one, two] = stage.chance.pick([
    ["doc", "doc.tmp"],
    ["doc", "doc.bak"],
    ["work", "out"],
  ] as const);
  const at = stage.directory();
  return [place(stage, one, at), place(stage, two, stage.chance.happens(0.7) ? at : stage.directory())];
}

const quoted = (path: string): string => `"${path.slice(1)}"`;
const payload = (stage: Stage): string =>
  `"${stage.samba.dir}/payload-${stage.chance.pick([1, 700, 70_000])}"`;

function locally(text: string, act: (real: string, path: string, stage: Stage) => void): Operation {
  return (stage) => {
    const path = place(stage);
    stage.local(`${text} ${path}`, [path], () => act(stage.real(path), path, stage));
  };
}

function locallyBoth(text: string, act: (one: string, two: string) => void): Operation {
  return (stage) => {
    const [one, two] = places(stage);
    stage.local(`${text} ${one} ${two}`, [one, two], () => act(stage.real(one), stage.real(two)));
  };
}

const fill = (real: string, text = "x"): void => {
  mkdirSync(real);
  writeFileSync(`${real}/in`, text);
};

const local: readonly Operation[] = [
  locallyBoth("save, with a new file over the old:", (one, two) => {
    writeFileSync(two, "new");
    renameSync(two, one);
  }),
  locallyBoth("back up and write:", (one, two) => {
    renameSync(one, two);
    writeFileSync(one, "newer");
  }),
  locallyBoth("swap", (one, two) => {
    renameSync(one, `${one}~`);
    renameSync(two, one);
    renameSync(`${one}~`, two);
  }),
  locallyBoth("link, and unlink the first:", (one, two) => {
    linkSync(one, two);
    unlinkSync(one);
  }),
  locallyBoth("move away and make again:", (one, two) => {
    renameSync(one, two);
    fill(one);
  }),
  locally("truncate", (real, _path, { chance }) => truncateSync(real, chance.pick([0, 1, 100_000]))),
  locally("make a directory in place of", (real) => {
    rmSync(real, { recursive: true, force: true });
    fill(real);
  }),
  locally("make a file in place of", (real) => {
    rmSync(real, { recursive: true, force: true });
    writeFileSync(real, "a file");
  }),
  locally("make it and remove it:", (real) => {
    fill(real);
    rmSync(real, { recursive: true });
  }),
  locally("change the case of", (real, path) => {
    const name = baseName(path);
    renameSync(real, `${real.slice(0, -name.length)}${otherCase(name)}`);
  }),
  (stage) => {
    const [one, two] = places(stage);
    stage.quietly(`copy with times: ${one} ${two}`, [two, one], () =>
      cpSync(stage.real(one), stage.real(two), { recursive: true, preserveTimestamps: true }),
    );
  },
  (stage) => {
    const at = stage.directory();
    const name = stage.fresh("synced");
    stage.quietly(`write ${at}/${name}, and set back the time of ${at}`, [`${at}/${name}`, at], () => {
      const { atime, mtime } = statSync(stage.real(at));
      writeFileSync(stage.real(`${at}/${name}`), "x");
      utimesSync(stage.real(at), atime, mtime);
    });
  },
];

function byClient(commands: (one: string, two: string, file: string) => string): Operation {
  return (stage) => {
    const [one, two] = places(stage);
    return stage.smb(commands(quoted(one), quoted(two), payload(stage)), [one, two]);
  };
}

const remote: readonly Operation[] = [
  byClient((one, two, file) => `put ${file} ${two}; rename ${two} ${one} -f`),
  byClient((one, two, file) => `del ${two}; rename ${one} ${two}; put ${file} ${one}`),
  byClient((one, two) => `rename ${one} swapped; rename ${two} ${one}; rename swapped ${two}`),
  byClient((one, two) => `rename ${one} ${two}; mkdir ${one}`),
  byClient((one, two) => `hardlink ${one} ${two}; del ${one}`),
  byClient((one, _two, file) => `del ${one}; mkdir ${one}; put ${file} ${one.slice(0, -1)}\\in"`),
  byClient((one, _two, file) => `deltree ${one}; put ${file} ${one}`),
  byClient((one, _two, file) => `deltree ${one}; mkdir ${one}; put ${file} ${one.slice(0, -1)}\\again"`),
  byClient((one, _two, file) => `put ${file} ${one}; del ${one}; put ${file} ${one}; del ${one}`),
  byClient((one, _two, file) => `put ${file} ${one.slice(0, -1)}:stream"`),
  byClient((one, two) => `setmode ${one} +h; utimes ${two} -1 -1 2001:02:03-04:05:06 -1`),
  byClient(
    (one, two, file) =>
      `mkdir outside\\gift; put ${file} outside\\gift\\in; rename outside\\gift ${one}; rename ${two} outside\\gift`,
  ),
  (stage) => {
    const path = place(stage);
    const to = joinPath(parentOf(path), otherCase(baseName(path)));
    return stage.smb(`rename ${quoted(path)} ${quoted(to)}`, [path, to]);
  },
];

function otherCase(name: string): string {
  return name === name.toUpperCase() ? name.toLowerCase() : name.toUpperCase();
}

export const saves: readonly Operation[] = [...local, ...remote];
