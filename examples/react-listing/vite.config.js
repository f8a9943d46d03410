import { defineConfig } from "vite";

/**
 * The page speaks to /ws of where it came from: here Vite passes that on to a gateway, in production a reverse proxy does.
 * The gateway believes pages of its own origin only, so the origin is rewritten like the host.
 */
export default defineConfig({
  server: {
    proxy: {
      "/ws": {
        target: process.env.GATEWAY ?? "http://127.0.0.1:8080",
        ws: true,
        changeOrigin: true,
        rewriteWsOrigin: true,
      },
    },
  },
});
