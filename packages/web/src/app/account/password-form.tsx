'use client'

import { useActionState } from 'react'
import { changePassword } from '../actions'

/** A form that stays on its page: the action's answer is its state. */
export function PasswordForm() {
  const [message, action, isPending] = useActionState(changePassword, '')
  return (
    <form action={action}>
      {message && <p role="status">{message}</p>}
      <label>
        Current password{' '}
        <input name="currentPassword" type="password" autoComplete="current-password" required />
      </label>
      <label>
        New password{' '}
        <input
          name="newPassword"
          type="password"
          autoComplete="new-password"
          minLength={10}
          required
        />
      </label>
      <button type="submit" disabled={isPending}>
        Change password
      </button>
    </form>
  )
}
