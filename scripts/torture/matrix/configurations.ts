import { mkdirSync } from "node:fs";
import type { NameOptions } from "../names.ts";
import * as operations from "./operations.ts";
import { saves } from "./saves.ts";
import type { Stage } from "./stage.ts";

/** A share as somebody runs it, and what to do there. */
export interface Configuration {
  readonly name: string;
  /** smb.conf of the share. */
  readonly share: Readonly<Record<string, string>>;
  readonly global?: Readonly<Record<string, string>>;
  readonly operations: readonly operations.Operation[];
  /** The changes that are made on every share. Default: also. */
  readonly ordinary?: "also" | "not";
  readonly names?: NameOptions;
  /** Clients come as an account that may not everything. */
  readonly unprivileged?: boolean;
  /** Another share of the same folder, for the judge and the other clients. */
  readonly others?: string;
  /** More shares: name to smb.conf, with `%F` for the watched share's folder. */
  readonly shares?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Of Samba's VFS, which not every installation has: a later Samba does it then. */
  readonly modules?: readonly string[];
  /** Before anything is watched. */
  readonly prepare?: (stage: Stage) => void;
  /** What is hidden shows later, s: so much longer the judge of short periods waits. */
  readonly late?: number;
}

const CATIA = "0x22:0xa8,0x2a:0xa4,0x2f:0xf8,0x3a:0xf7,0x3c:0xab,0x3e:0xbb,0x3f:0xbf,0x5c:0xff,0x7c:0xa6";

export const CONFIGURATIONS: readonly Configuration[] = [
  { name: "default", share: {}, operations: operations.appear },
  { name: "saves", share: {}, operations: saves },
  { name: "case sensitive", share: { "case sensitive": "yes" }, operations: saves },
  {
    name: "audit",
    share: { "vfs objects": "full_audit", "full_audit:success": "none", "full_audit:failure": "none" },
    modules: ["full_audit"],
    operations: saves,
  },
  {
    name: "no attributes",
    share: { "store dos attributes": "no", "map archive": "yes", "map hidden": "yes" },
    operations: saves,
  },
  {
    name: "hide new files",
    share: { "hide new files timeout": "3" },
    operations: operations.appear,
    late: 8,
  },
  {
    name: "hide unreadable",
    share: { "hide unreadable": "yes" },
    operations: [...operations.modes, ...operations.appear],
    unprivileged: true,
  },
  { name: "hide dot files", share: { "hide dot files": "yes" }, operations: operations.appear },
  {
    name: "veto files",
    share: { "veto files": "/*.tmp/*.tmp/Thumbs.db/", "delete veto files": "yes" },
    operations: [...operations.vetoed, ...operations.appear],
  },
  {
    name: "fruit",
    share: { "vfs objects": "catia fruit streams_xattr", "fruit:metadata": "netatalk" },
    modules: ["catia", "fruit", "streams_xattr"],
    operations: operations.resourceForks,
  },
  {
    name: "catia",
    share: { "vfs objects": "catia", "catia:mappings": CATIA },
    modules: ["catia"],
    operations: operations.mappedNames,
  },
  {
    name: "streams_depot",
    share: { "vfs objects": "streams_depot" },
    modules: ["streams_depot"],
    operations: operations.streams,
  },
  {
    name: "streams_xattr",
    share: { "vfs objects": "streams_xattr" },
    modules: ["streams_xattr"],
    operations: operations.streams,
  },
  {
    name: "recycle",
    share: {
      "vfs objects": "recycle",
      "recycle:repository": "top/watched/.recycle",
      "recycle:keeptree": "yes",
      "recycle:versions": "yes",
    },
    modules: ["recycle"],
    operations: operations.deletions,
  },
  {
    name: "links inside",
    share: {},
    operations: [...operations.linksInside, ...operations.appear],
    prepare: operations.prepareTargets,
  },
  {
    name: "links out",
    global: { "allow insecure wide links": "yes" },
    modules: ["widelinks"],
    prepare: operations.prepareTargets,
    share: { "wide links": "yes", "follow symlinks": "yes" },
    operations: [...operations.linksOut, ...operations.appear],
  },
  { name: "links back", share: {}, operations: [...operations.linksBack, ...operations.appear] },
  { name: "dangling links", share: {}, operations: [...operations.linksNowhere, ...operations.appear] },
  { name: "hard links", share: {}, operations: [...operations.hardLinks, ...operations.appear] },
  { name: "case pairs", share: {}, operations: operations.casePairs, ordinary: "not" },
  {
    name: "odd modes",
    share: {},
    operations: [...operations.modes, ...operations.appear],
    unprivileged: true,
  },
  {
    name: "strict rename",
    share: { "strict rename": "yes" },
    operations: operations.parentRenames,
  },
  { name: "renames above", share: {}, operations: operations.parentRenames },
  {
    name: "max connections",
    share: { "max connections": "1" },
    operations: operations.appear,
    others: "open",
    shares: { open: { path: "%F" } },
  },
  {
    name: "mangled names",
    share: { "mangled names": "yes" },
    operations: [...operations.mappedNames, ...operations.appear],
  },
  {
    name: "unmangled names",
    share: { "mangled names": "no" },
    operations: operations.appear,
    names: { reserved: true, visible: true },
  },
  {
    name: "share in a share",
    share: {},
    operations: operations.throughInner,
    shares: { inner: { path: "%F/top/watched" } },
  },
  {
    name: "dont descend",
    share: { "dont descend": "top/watched/closed" },
    operations: operations.undescended,
    // What opens and is not listed stays told for two minutes.
    late: 110,
    prepare: (stage) => mkdirSync(stage.real(`${stage.ground.watched}/closed`)),
  },
];

export function configuration(name: string): Configuration {
  const found = CONFIGURATIONS.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no such configuration: ${name}`);
  return found;
}
