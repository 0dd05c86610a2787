/**
 * Imports the given modules, one after another.
 *
 * @module
 */

import { finish, measured, settings } from './measure.ts'

const { modules } = settings<{ modules: string[] }>()
const { part } = await measured(async () => {
  for (const module of modules) await import(module)
})
finish({ import: part })
