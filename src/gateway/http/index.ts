/** The face of `http`: the live page's files, and what is refused before there is a socket. */

export { Assets } from "./assets.ts";
export { explain } from "./explain.ts";
export { newHttpServer } from "./http-server.ts";
export { reject } from "./refusal.ts";
