/**
 * The routes of sign-up, sign-in and recovery. Each form is one call into auth.
 *
 * @module
 */

import type { MailedLink } from '@repo/auth'
import { type Context, Hono } from 'hono'
import type { HostOptions } from './product.ts'
import * as page from './sign-in-pages.tsx'
import { emailForm, type Kept } from './typed-email.ts'

interface Form {
  /** The path of the form's page, and of the page after a refusal. */
  route: string
  /** The endpoint of auth. */
  path: string
  success: string
  failure?: string
  /** The fields that the page after a refusal gets back. */
  keep?: string[]
}

/** Forms that ask for an address. It is kept for the page after them. */
const EMAIL_FORMS: (Form & { kept: Kept })[] = [
  { route: '/sign-up', path: '/sign-up/email', success: '/check-mail?for=confirm', kept: 'always' },
  {
    route: '/send-again',
    path: '/send-verification-email',
    success: '/check-mail?for=confirm',
    kept: 'always',
  },
  {
    route: '/sign-in',
    path: '/sign-in/email',
    success: '/dashboard',
    keep: ['next'],
    kept: 'until_success',
  },
  {
    route: '/sign-in/link',
    path: '/sign-in/magic-link',
    success: '/check-mail?for=link',
    kept: 'always',
  },
  {
    route: '/forgot-password',
    path: '/request-password-reset',
    success: '/check-mail?for=reset',
    kept: 'always',
  },
]

/** Forms without an address. */
const FORMS: Form[] = [
  {
    route: '/verify-email',
    path: '/confirm-email',
    success: '/sign-in?done=verified',
    keep: ['token'],
  },
  {
    route: '/magic-link',
    path: '/sign-in/magic-link/confirm',
    success: '/dashboard',
    failure: '/sign-in/link',
  },
  {
    route: '/reset-password',
    path: '/reset-password',
    success: '/sign-in?done=reset',
    keep: ['token'],
  },
  { route: '/sign-out', path: '/sign-out', success: '/', failure: '/dashboard' },
  {
    route: '/sign-in/provider',
    path: '/sign-in/social',
    success: '/dashboard',
    failure: '/sign-in',
  },
]

/** The routes. */
export function signInRoutes({ auth, signInProviders = [] }: HostOptions): Hono {
  const app = new Hono()
  for (const { route, kept, ...form } of EMAIL_FORMS) {
    app.post(route, (c) => emailForm(auth, c, { failure: route, ...form }, kept))
  }
  for (const { route, ...form } of FORMS) {
    app.post(route, (c) => auth.formAction(c.req.raw, { failure: route, ...form }))
  }
  app.get('/sign-up', (c) => page.signUp(c, signInProviders))
  app.get('/check-mail', (c) => page.checkMail(c))
  app.get('/verify-email', async (c) => {
    const state = await auth.confirmation(c.req.raw, c.req.query('token') ?? '')
    return page.verifyEmail(c, state)
  })
  app.get('/send-again', (c) => page.sendAgain(c))
  app.get('/sign-in', (c) => page.signIn(c, signInProviders))
  app.get('/sign-in/link', (c) => page.askForLink(c))
  const isOpen = (c: Context, link: MailedLink) => auth.isLinkOpen(link, c.req.query('token') ?? '')
  app.get('/magic-link', async (c) => page.magicLink(c, await isOpen(c, 'magic_link')))
  app.get('/forgot-password', (c) => page.forgotPassword(c))
  app.get('/reset-password', async (c) => page.resetPassword(c, await isOpen(c, 'reset_password')))
  return app
}
