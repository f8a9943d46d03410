/** The face of `login`: negotiate, session, tree connect. */

export { negotiate } from "./negotiate.ts";
export { Session } from "./session.ts";
export { Tree, type TreeResource } from "./tree.ts";
