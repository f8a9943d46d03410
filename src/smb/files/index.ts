/** The face of `files`: open directories, CHANGE_NOTIFY, listings, DFS referrals, whether a file is being written. */

export { type BegunListing, beginListing, goOnListing } from "./begun-listing.ts";
export type { DirEntry, FileInfo } from "./file-info.ts";
export {
  type DirectoryHandle,
  type HandleOwner,
  type OpenDirectoryOptions,
  openDirectory,
} from "./handle.ts";
export { type ListOptions, listDirectory, type StatOptions, statPath } from "./listing.ts";
export type { ArmOptions, NotifyOutcome } from "./notify.ts";
export { type Probed, type ProbeOptions, probeFile } from "./probe.ts";
export { askReferral, type Referral } from "./referral.ts";
export { makeTemporary, type TemporaryFile } from "./temporary.ts";
