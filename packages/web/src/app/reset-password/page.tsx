import { Notice, type Search } from '@/components/notice'
import { resetPassword } from '../actions'

export default async function ResetPassword({ searchParams }: { searchParams: Search }) {
  const { token } = await searchParams
  return (
    <main>
      <h1>Choose a new password</h1>
      <Notice search={searchParams} />
      <form action={resetPassword}>
        <input type="hidden" name="token" value={String(token ?? '')} />
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
        <button type="submit">Change password</button>
      </form>
    </main>
  )
}
