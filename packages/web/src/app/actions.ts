'use server'

import { isTollgateError } from '@repo/core'
import { redirect } from 'next/navigation'
import { formAction, post, requireAuth } from '@/lib/session'
import { billing } from '@/lib/tollgate'

export const signUp = formAction({
  path: '/sign-up/email',
  success: '/check-mail',
  failure: '/sign-up',
})

export const confirmEmail = formAction({
  path: '/confirm-email',
  success: '/sign-in?done=confirmed',
  failure: '/verify-email',
  keep: ['token'],
})

export const signIn = formAction({
  path: '/sign-in/email',
  success: '/dashboard',
  failure: '/sign-in',
  keep: ['next'],
})

export const signOut = formAction({ path: '/sign-out', success: '/', failure: '/dashboard' })

/** The button's value `provider` says where the browser goes. */
export const signInWith = formAction({
  path: '/sign-in/social',
  success: '/dashboard',
  failure: '/sign-in',
  keep: ['next'],
})

export const forgotPassword = formAction({
  path: '/request-password-reset',
  success: '/check-mail',
  failure: '/forgot-password',
})

export const resetPassword = formAction({
  path: '/reset-password',
  success: '/sign-in?done=reset',
  failure: '/reset-password',
  keep: ['token'],
})

/** For `useActionState`: no redirect, the answer is a message. */
export async function changePassword(_: string, form: FormData): Promise<string> {
  const answer = await post('/change-password', {
    currentPassword: form.get('currentPassword'),
    newPassword: form.get('newPassword'),
    revokeOtherSessions: true,
  })
  if (answer.ok) return 'Your password is changed. Other devices are signed out.'
  return answer.code === 'invalid_password' ? 'That is not your password.' : answer.message
}

export async function manageBilling() {
  const { userId } = await requireAuth()
  const portal = await billing.createBillingPortalSession({ ownerId: userId })
  redirect(portal.url)
}

export async function upgrade() {
  const { userId } = await requireAuth()
  const checkout = await billing.createCheckoutSession({ ownerId: userId, plan: 'PRO' })
  redirect(checkout.url)
}

export async function drawPicture() {
  const { userId } = await requireAuth()
  try {
    await billing.withCredits(userId, 20, 'a picture', async () => {
      // The work. The credits are back where they were if it throws.
    })
  } catch (error) {
    if (!isTollgateError(error, 'insufficient_credits')) throw error
    redirect('/dashboard?error=insufficient_credits')
  }
  redirect('/dashboard?done=drawn')
}
