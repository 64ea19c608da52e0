// Keeps the hashed assets, which never change under their name. Nothing else: prices and pages always come fresh.
const CACHE = "tandem-assets";

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || url.origin !== self.location.origin || !url.pathname.startsWith("/assets/")) {
    return;
  }
  event.respondWith(answer(event.request));
});

async function answer(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request);
  if (kept) return kept;
  const fresh = await fetch(request);
  if (fresh.ok) {
    // Assets of an older build are let go of with the first of a newer one that is not known yet.
    const known = await cache.keys();
    if (known.length > 24) await Promise.all(known.map((old) => cache.delete(old)));
    await cache.put(request, fresh.clone());
  }
  return fresh;
}
