/** What every host has to do, as tests. */

import { afterAll, beforeAll, test } from 'vitest'
import { type HostApp, type HostRecipe, startHost } from './host-app.ts'
import { goesToPro, loggedNoErrors, refusesForgedWebhooks } from './journey.ts'

/** Starts the host, declares the tests of all hosts, and returns the host for more of them. */
export function hostSuite(recipe: HostRecipe): () => HostApp {
  let host: HostApp
  beforeAll(async () => {
    host = await startHost(recipe)
    const { steps, ownLines } = host
    process.stdout.write(
      `${recipe.name}: ${steps.join(', ')}; the developer wrote ${ownLines} lines.\n`,
    )
  })
  afterAll(() => host?.stop())
  test('a customer goes from the sign-up to the plan', () => goesToPro(host, 'ada@example.com'))
  test('a webhook without its signature is refused', () => refusesForgedWebhooks(host))
  test('no unexpected error was logged', () => loggedNoErrors(host))
  return () => host
}
