import type { FleetErrorCode } from "../fleet/port.ts";
import type { ClaimState } from "../fleet/records.ts";
import type { Late, StateEvent, WatchMode } from "../watch/events.ts";

/** How a watch of this worker fares, as its claim says it. */
export interface LocalState {
  readonly state: Exclude<ClaimState, "warm">;
  readonly mode: WatchMode;
  readonly code?: FleetErrorCode;
  readonly error?: string;
  readonly late?: Late;
}

const STATES: Readonly<Record<FleetErrorCode, LocalState["state"]>> = {
  not_found: "gone",
  not_a_directory: "gone",
  bad_path: "gone",
  denied: "denied",
  unreachable: "unreachable",
  limit: "unreachable",
  internal: "unreachable",
  unknown_connection: "unreachable",
};

export function stateOfFailure(code: FleetErrorCode): LocalState["state"] {
  return STATES[code];
}

/** After what the watch has said of itself. */
export function stateHeard({ type: _, path: __, ...state }: StateEvent, before: LocalState): LocalState {
  return { ...state, ...codeOf(state.state, before) };
}

/** As consumers are told of it. */
export function stateEvent(path: StateEvent["path"], { state, mode, error, late }: LocalState): StateEvent {
  return {
    type: "state",
    path,
    state: state === "starting" ? "unreachable" : state,
    mode,
    ...(error === undefined ? {} : { error }),
    ...(late === undefined ? {} : { late }),
  };
}

/** Whether it can be told that a resync is due: whoever lists now misses nothing from here on. */
export function isServed({ state }: LocalState): boolean {
  return state === "live" || state === "degraded";
}

function codeOf(state: LocalState["state"], before: LocalState): { readonly code?: FleetErrorCode } {
  if (state === "live" || state === "degraded" || state === "starting") return {};
  // A more exact reason than the state's own (not a directory, say) outlives a repetition of the same state.
  if (before.state === state && before.code !== undefined) return { code: before.code };
  const codes = { gone: "not_found", denied: "denied", unreachable: "unreachable" } as const;
  return { code: codes[state] };
}
