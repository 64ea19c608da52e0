import { defineConfig } from "vite";

// Everything is served by the gateway from one origin; `npx vite` alone is for developing, with GATEWAY as its back end.
const gateway = "http://127.0.0.1:3333";

export default defineConfig({
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The largest script that a page loads is reckoned compressed, by sizes.js.
    chunkSizeWarningLimit: 600,
  },
  server: { proxy: { "/api": gateway, "/openapi.json": gateway, "/ws": { target: gateway, ws: true } } },
});
