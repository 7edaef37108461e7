/** What the service has to remember about itself: hashes that its files in the data folder must agree with. */
import type { Database } from './database.ts'

export type SettingName = 'admin-token-sha256' | 'public-key'

export async function findSetting(database: Database, name: SettingName): Promise<string | undefined> {
  const row = await database.selectFrom('settings').select('value').where('name', '=', name).executeTakeFirst()
  return row?.value
}

export async function saveSetting(database: Database, name: SettingName, value: string): Promise<void> {
  await database
    .insertInto('settings')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute()
}

/** Empty, and so equal to no hash, before the first start is done. */
export async function adminTokenSha256(database: Database): Promise<string> {
  return (await findSetting(database, 'admin-token-sha256')) ?? ''
}
