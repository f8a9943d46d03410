import {
  appendFileSync,
  chmodSync,
  linkSync,
  mkdirSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { baseName, joinPath } from "../../../src/base/path.ts";
import type { Stage } from "./stage.ts";

/** What matters on one kind of share and nowhere else. */
export type Operation = (stage: Stage) => void | Promise<void>;

const quoted = (path: string): string => `"${path.slice(1)}"`;

function make(stage: Stage, stem: string, mode = 0o666): void {
  const path = joinPath(stage.directory(), stage.fresh(stem));
  stage.local(`write ${path} (${mode.toString(8)})`, [path], () => {
    writeFileSync(stage.real(path), "x", { mode });
  });
}

function makeBranch(stage: Stage, stem: string, mode = 0o777): void {
  const path = joinPath(stage.directory(), stage.fresh(stem));
  stage.local(`mkdir ${path} (${mode.toString(8)}) with a file`, [path], () => {
    mkdirSync(stage.real(path), { mode });
    writeFileSync(stage.real(`${path}/1.txt`), "x");
  });
}

/** A file, a directory with one, and a second one some time later. */
export const appear: readonly Operation[] = [
  (stage) => make(stage, "new"),
  (stage) => makeBranch(stage, "branch"),
  (stage) => {
    const path = stage.existing("directory");
    if (path !== undefined)
      stage.local(`write ${path}/2.txt`, [path], () => writeFileSync(stage.real(`${path}/2.txt`), "x"));
  },
];

export const modes: readonly Operation[] = [
  (stage) => make(stage, "private", 0o600),
  (stage) => makeBranch(stage, "job", 0o700),
  (stage) => {
    const path = stage.existing("directory");
    const mode = stage.chance.pick([0o700, 0o711, 0o755, 0o777, 0o777]);
    if (path !== undefined)
      stage.quietly(`chmod ${mode.toString(8)} ${path}`, [path], () => chmodSync(stage.real(path), mode));
  },
  (stage) => {
    const path = stage.existing("file");
    const mode = stage.chance.pick([0o600, 0o644, 0o666]);
    if (path !== undefined)
      stage.quietly(`chmod ${mode.toString(8)} ${path}`, [path], () => chmodSync(stage.real(path), mode));
  },
];

function link(stage: Stage, target: string): void {
  const path = joinPath(stage.directory(), stage.fresh("link"));
  stage.local(`ln -s ${target} ${path}`, [path], () => symlinkSync(target, stage.real(path)));
}

const unlinkOne: Operation = (stage) => {
  const path = stage.existing("link");
  if (path !== undefined) stage.local(`unlink ${path}`, [path], () => unlinkSync(stage.real(path)));
};

const TARGETS = "/targets";

/** What links lead to, and nobody removes: a link comes and goes with its target, untold. */
export function prepareTargets(stage: Stage): void {
  for (const at of [stage.real(TARGETS), elsewhere(stage)]) {
    mkdirSync(at);
    mkdirSync(join(at, "folder"));
    for (const name of ["file", "folder/there.txt"]) writeFileSync(join(at, name), "x");
  }
}

function elsewhere(stage: Stage): string {
  return join(stage.samba.dir, "elsewhere");
}

export const linksInside: readonly Operation[] = [
  (stage) => link(stage, join(stage.real(TARGETS), stage.chance.pick(["file", "folder"]))),
  (stage) => {
    const name = stage.chance.pick(["there.txt", stage.fresh("f")]);
    const path = `${TARGETS}/folder/${name}`;
    stage.local(`write ${path}`, [], () => writeFileSync(stage.real(path), "more"));
  },
  unlinkOne,
];

/** Where the server follows them out of the share. */
export const linksOut: readonly Operation[] = [
  (stage) => link(stage, join(elsewhere(stage), stage.chance.pick(["file", "folder"]))),
  (stage) => {
    const name = stage.fresh("f");
    stage.local(`write ${name} outside of the share`, [], () =>
      writeFileSync(join(elsewhere(stage), "folder", name), "more"),
    );
  },
  unlinkOne,
];

export const linksBack: readonly Operation[] = [
  (stage) => link(stage, "."),
  (stage) => link(stage, ".."),
  (stage) => link(stage, stage.real(stage.ground.watched)),
  unlinkOne,
];

export const linksNowhere: readonly Operation[] = [
  (stage) => link(stage, "/nonexistent/target"),
  (stage) => link(stage, "watcher@host.4711:1"),
  (stage) => link(stage, "/etc"),
  // A target that comes and goes.
  (stage) => {
    const at = stage.directory();
    const [name, target] = [stage.fresh("link"), stage.fresh("target")];
    stage.local(`ln -s ${target} ${at}/${name}`, [at], () =>
      symlinkSync(target, stage.real(`${at}/${name}`)),
    );
    if (stage.chance.happens(0.5))
      stage.local(`write ${at}/${target}`, [at], () => writeFileSync(stage.real(`${at}/${target}`), "x"));
  },
  unlinkOne,
];

export const hardLinks: readonly Operation[] = [
  (stage) => {
    const target = stage.existing("file");
    const path = joinPath(stage.directory(), stage.fresh("hard"));
    if (target !== undefined)
      stage.local(`ln ${target} ${path}`, [target, path], () =>
        linkSync(stage.real(target), stage.real(path)),
      );
  },
  (stage) => {
    const path = stage.existing("file");
    if (path !== undefined)
      stage.local(`append ${path}`, [path], () => appendFileSync(stage.real(path), "more"));
  },
];

export const casePairs: readonly Operation[] = [
  (stage) => {
    const at = stage.directory();
    const name = stage.fresh("Pair");
    stage.local(`mkdir ${at}/${name} and its twin`, [at], () => {
      mkdirSync(stage.real(`${at}/${name}`));
      mkdirSync(stage.real(`${at}/${name.toLowerCase()}`));
      writeFileSync(stage.real(`${at}/${name.toLowerCase()}/in the twin`), "x");
    });
  },
  (stage) => {
    const path = stage.existing("directory");
    if (path === undefined) return;
    const twin = `${path.slice(0, -baseName(path).length)}${baseName(path).toUpperCase()}`;
    stage.local(`mkdir ${twin} beside ${path}`, [path, twin], () => mkdirSync(stage.real(twin)));
  },
  ...appear,
];

export const vetoed: readonly Operation[] = [
  (stage) => make(stage, "Thumbs.db"),
  (stage) => {
    const path = joinPath(stage.directory(), "Thumbs.db");
    stage.local(`write ${path}`, [path], () => writeFileSync(stage.real(path), "x"));
  },
  (stage) => {
    const path = stage.existing("file");
    if (path === undefined) return;
    stage.local(`rename ${path} > ${path}.tmp`, [path, `${path}.tmp`], () =>
      renameSync(stage.real(path), stage.real(`${path}.tmp`)),
    );
  },
  (stage) => makeBranch(stage, "vetoed.tmp"),
];

export const resourceForks: readonly Operation[] = [
  (stage) => {
    const path = stage.existing("file");
    if (path === undefined) return undefined;
    return stage.smb(`put ${JSON.stringify(payload(stage))} "${path.slice(1)}:AFP_AfpInfo"`, [path]);
  },
  (stage) => {
    const path = stage.existing("file");
    const at = path === undefined ? undefined : `${path.slice(0, -baseName(path).length)}._${baseName(path)}`;
    if (at !== undefined)
      stage.local(`write ${at}`, [at], () => writeFileSync(stage.real(at), "\0\x05\x16\x07\0\x02\0\0"));
  },
  (stage) => make(stage, "picture.jpg"),
];

export const streams: readonly Operation[] = [
  (stage) => {
    const path = stage.existing("file");
    return path === undefined
      ? undefined
      : stage.smb(`put ${JSON.stringify(payload(stage))} "${path.slice(1)}:zone"`, [path]);
  },
  (stage) => {
    const path = stage.existing("file");
    return path === undefined ? undefined : stage.smb(`del ${quoted(path)}`, [path]);
  },
  (stage) => make(stage, "with-streams"),
];

export const mappedNames: readonly Operation[] = [
  'q"uote',
  "a:b",
  "star*",
  "what?",
  "less<more>",
  "pi|pe",
].map((stem) => (stage: Stage) => make(stage, stem));

export const deletions: readonly Operation[] = [
  (stage) => {
    const path = stage.existing("file");
    return path === undefined ? undefined : stage.smb(`del ${quoted(path)}`, [path]);
  },
  (stage) => {
    const path = stage.existing("directory");
    return path === undefined ? undefined : stage.smb(`deltree ${quoted(path)}`, [path]);
  },
  ...appear,
];

export const parentRenames: readonly Operation[] = [
  (stage) => {
    const path = stage.existing("directory");
    const to = path === undefined ? undefined : joinPath(stage.directory(), stage.fresh("moved"));
    if (path === undefined || to === undefined || to.startsWith(`${path}/`)) return undefined;
    return stage.smb(`rename ${quoted(path)} ${quoted(to)}`, [path, to]);
  },
  ...appear,
];

/** Through a second share that is a directory of the watched one. */
export const throughInner: readonly Operation[] = [
  (stage) => stage.smb(`mkdir ${stage.fresh("by-inner")}`, [stage.ground.watched], "inner"),
  (stage) => {
    const name = stage.fresh("by-inner");
    const commands = `mkdir ${name}; put ${JSON.stringify(payload(stage))} ${name}\\f; rename ${name} ${name}x`;
    return stage.smb(commands, [stage.ground.watched], "inner");
  },
];

export const undescended: readonly Operation[] = [
  (stage) => {
    const path = `${stage.ground.watched}/closed/${stage.fresh("f")}`;
    stage.local(`write ${path}`, [path], () => writeFileSync(stage.real(path), "x"));
  },
  (stage) => {
    const path = `${stage.ground.watched}/closed/${stage.fresh("d")}`;
    stage.local(`mkdir ${path}`, [path], () => mkdirSync(stage.real(path)));
  },
  ...appear,
];

function payload(stage: Stage): string {
  return `${stage.samba.dir}/payload-700`;
}
