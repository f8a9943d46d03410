import { beforeEach, inject } from "vitest";

// What scripts/lab starts without being told which.
const { path, missing } = inject("newestNats");
if (path !== undefined) process.env["NATS_SERVER_BIN"] = path;
// Where it cannot be had, these tests have been run with the system's already.
else beforeEach(({ skip }) => skip(missing ?? "no newer nats-server"));
