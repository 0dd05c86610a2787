/** The README’s table of pages has every page with the default that the code has. */

import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { PAGES } from '../options.ts'

const read = (path: string) => readFile(new URL(path, import.meta.url), 'utf8')

const table = (await read('../../README.md')).split('## Your pages and routes')[1] ?? ''
const rows = [...table.matchAll(/^\| ([^|]+) \| ([^|]+) \|/gm)].map(
  ([, option = '', path = '']) => [option.trim(), /^`(.*)`$/.exec(path.trim())?.[1] ?? path.trim()],
)

test('every page of createAuth', () => {
  const pages = Object.fromEntries(
    rows.flatMap(([option = '', path]) => {
      const [, name] = /^`pages\.(\w+)`$/.exec(option) ?? []
      return name && name !== 'onboarding' ? [[name, path]] : []
    }),
  )
  expect(pages).toEqual(PAGES)
  expect(PAGES.onboarding).toBeUndefined()
})

test.each([
  ['`oauth.consentPage`', '../programs/oauth-server.ts', /consentPage \?\? '([^']+)'/], // #oauth-server
  ['`formAction`: `resetPassword`', '../http/forms.ts', /resetPassword \?\? '([^']+)'/],
  ['`formAction`: `twoFactor`', '../http/forms.ts', /twoFactor \?\? '([^']+)'/],
  ['`createNext`, `createProxy`: `signIn`', '../next.ts', /signIn = '([^']+)'/],
  ['`createNext`, `createProxy`: `signIn`', '../next-proxy.ts', /signIn = '([^']+)'/],
  ['`createNext`: `twoFactor`', '../next.ts', /twoFactor = '([^']+)'/],
  ['`createNext`: `onboarding`', '../next.ts', /onboarding = '([^']+)'/],
])('%s of %s', async (option, file, pattern) => {
  const [, path] = pattern.exec(await read(file)) ?? []
  expect(path).toBeDefined()
  expect(Object.fromEntries(rows)[option]).toBe(path)
})
