/**
 * The frameworks whose apps are wired. An app with several of their packages is of the first one that finds it.
 *
 * @module
 */

import type { Framework } from './framework.ts'
import { next } from './next.ts'
import { express, hono } from './node.ts'
import { reactRouter, sveltekit } from './vite.ts'
import { worker } from './worker.ts'

export const FRAMEWORKS: readonly Framework[] = [
  next,
  sveltekit,
  reactRouter,
  worker,
  hono,
  express,
]

/** The framework with a name of the receipt. A receipt can name one that a later version has. */
export const frameworkNamed = (name: string): Framework =>
  FRAMEWORKS.find((each) => each.name === name) ?? next
