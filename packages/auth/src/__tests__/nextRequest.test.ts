/** A page of Next.js that is rendered ahead of its request, with the storages that Next.js itself has. */

// Next.js finds the class of Node's storages where this puts it.
import 'next/dist/server/node-environment-baseline.js'
import { workAsyncStorage } from 'next/dist/server/app-render/work-async-storage.external.js'
import { workUnitAsyncStorage } from 'next/dist/server/app-render/work-unit-async-storage.external.js'
import { expect, test } from 'vitest'
import { createNext } from '../next.ts'

type WorkStore = Parameters<typeof workAsyncStorage.run>[0]
type UnitStore = Parameters<typeof workUnitAsyncStorage.run>[0]

test('while Next.js prefetches a page with headers and cookies, no session is read until there is a request', async () => {
  const none = async () => null
  const auth = { baseURL: 'https://app.example', getSession: none, formAction: none }
  const { request } = createNext(auth as unknown as Parameters<typeof createNext>[0])
  const render = new AbortController()
  const unit = {
    type: 'prerender-runtime',
    phase: 'render',
    renderSignal: render.signal,
    stagedRendering: null,
    headers: new Headers({ host: 'app.example' }),
    cookies: { getAll: () => [] },
  } as unknown as UnitStore
  const work = { route: '/dashboard' } as WorkStore
  const rendering = workAsyncStorage.run(work, () => workUnitAsyncStorage.run(unit, request))
  // The rendering ends without a request: what waited for one is refused, and got none.
  setImmediate(() => render.abort())
  await expect(rendering).rejects.toThrow(/^During prerendering, `connection\(\)` rejects/)
})
