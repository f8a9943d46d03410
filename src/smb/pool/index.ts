/** The face of `pool`: connections to one server, dialled again for ever. */

export { SmbPool } from "./pool.ts";
export type { PoolInfo, Servers } from "./pool-info.ts";
export type { PoolOpenOptions, PoolOptions, ReadyOptions } from "./pool-options.ts";
