interface MarketList {
  /** Where it was published, and as of when. */
  readonly source: string;
  /** ISO 3166-1 alpha-2. */
  readonly countries: ReadonlySet<string>;
}

/**
 * Markets where Azure reservations are not sold. The two pages disagree: the second leaves out BR and RU and adds AZ.
 * Bonaire, Saba and Sint Eustatius are BQ; Svalbard and Jan Mayen are SJ.
 */
const LISTS: readonly MarketList[] = [
  {
    source: 'https://learn.microsoft.com/partner-center/developer/purchase-azure-reservations (July 2021)',
    countries: codes(`
      AX AS AD AI AQ AG AW BJ BT BQ BV BR IO VG BF BI KH CF TD CN CX CC KM CG CD CK DJ DM GQ ER FK GF PF TF GA GM GI GL
      GD GP GU GG GN GW GY HT HM IM SJ JE KI XK LA LS LR MG MW MV ML MH MQ MR YT FM MS MZ MM NR NC NE NU NF MP PW PG PN
      RE RU BL LC MF PM VC WS SM ST SC SL SX SB SO GS SS SH SR SZ TL TG TK TO TC TV UM VU VA WF YE`),
  },
  {
    source: 'https://learn.microsoft.com/partner-center/azure-reservations-buying (2021)',
    countries: codes('AZ'),
  },
];

function codes(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}

/** The source that says reservations are not sold in the country (ISO 3166-1 alpha-2, any letter case). */
export function excludedMarketSource(country: string): string | undefined {
  const code = country.toUpperCase();
  return LISTS.find((list) => list.countries.has(code))?.source;
}
