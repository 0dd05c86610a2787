/**
 * An app in Hono as its generator writes it, with the packages that `tollgate add` copies into it. The packages' own
 * packages are links to those of the checkout; `pnpm test:hosts` installs them, and has the other frameworks.
 */

import { test } from 'vitest'
import { programIsServed } from './hosts/journey.ts'
import { HONO } from './hosts/recipes.ts'
import { hostSuite } from './hosts/suite.ts'

const host = hostSuite({ ...HONO, packages: 'link', checks: [] })

test('a program without cookies, such as a phone’s app, sends its token', () =>
  programIsServed(host(), 'phone@example.com'))
