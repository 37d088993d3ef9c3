/** Without https the browser hands out no camera: say so and lead to the https address. */
import { t } from '../i18n';
import { StateScreen } from '../ui/state_screen';

export function InsecureScreen() {
  const go = () => {
    const url = new URL(location.href);
    url.protocol = 'https:';
    // The server listens for TLS on its own port; on the plain port nothing answers https.
    if (url.port === '8080') url.port = '8443';
    location.assign(url.href);
  };
  return (
    <div data-testid="preflight-problem" data-problem="insecure">
      <StateScreen
        title={t('insecureTitle')}
        text={t('problemInsecure')}
        next={t('fixInsecure')}
        tone="attention"
        action={t('openHttps')}
        onAction={go}
      />
    </div>
  );
}
