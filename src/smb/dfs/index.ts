/** The face of `dfs`: a pool that follows links to other servers. */

export { SmbDfsError } from "./dfs-errors.ts";
export { DfsPool } from "./dfs-pool.ts";
