/** Starts the demo on its own database and a real Chromium in `beforeAll`, and stops both in `afterAll`. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTestLogger } from '@repo/core/testing'
import { createTestDatabase, type TestDatabase } from '@repo/db/testing'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, inject } from 'vitest'
import { type Demo, startDemo } from '../demo.ts'

export interface Setup {
  demo: Demo
  /** The demo's log. */
  logger: ReturnType<typeof createTestLogger>
  /** A page in a browser of its own, without script. */
  newPage(): Promise<Page>
  /** The link in the newest mail with this subject, as a person would find it in the mailbox. */
  linkIn(subject: string, link: RegExp): Promise<string>
}

export function setUpDemo(browser: Browser | null): Setup {
  const logger = createTestLogger()
  let database: TestDatabase
  let folder: string
  const setup = {
    logger,
    async newPage() {
      const context = await (browser as Browser).newContext({ javaScriptEnabled: false })
      return context.newPage()
    },
    async linkIn(subject, link) {
      await setup.demo.settled()
      const page = await (browser as Browser).newPage()
      await page.goto(setup.demo.mailboxUrl)
      await page.getByRole('link', { name: subject }).first().click()
      const frame = await page.locator('iframe').getAttribute('srcdoc')
      await page.close()
      const found = link.exec(frame ?? '')?.[0]
      if (!found) throw new Error(`No link in "${subject}"`)
      return found.replaceAll('&amp;', '&')
    },
  } as Setup
  beforeAll(async () => {
    database = await createTestDatabase(inject('postgres'))
    folder = await mkdtemp(join(tmpdir(), 'tollgate-demo-'))
    const ports = { hostPort: 0, sandboxPort: 0 }
    setup.demo = await startDemo({ folder, databaseUrl: database.url, ...ports, logger })
  })
  afterAll(async () => {
    await browser?.close()
    await setup.demo?.stop()
    await database?.drop()
    await rm(folder, { recursive: true, force: true })
  })
  return setup
}
