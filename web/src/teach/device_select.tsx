/** Choice of one device; the choice is remembered by name. */

import type { DeviceTrack } from '../capture/device_track';
import { type Key, t } from '../i18n';
import { useStore } from '../ui/use_store';

export function DeviceSelect(props: { device: DeviceTrack; label: Key; testId: string }) {
  const state = useStore(props.device.state);
  const named = state.devices.filter((d) => d.deviceId !== '');
  return (
    <label class="field">
      <span class="field-label">{t(props.label)}</span>
      <select
        data-testid={props.testId}
        disabled={named.length === 0}
        value={named.length === 0 ? '' : (state.chosen ?? '')}
        onChange={(event) => void props.device.select(event.currentTarget.value)}
      >
        {named.length === 0 && <option value="">{state.busy ? t('checkWait') : t('noDevice')}</option>}
        {named.map((device, index) => (
          <option key={device.deviceId} value={device.deviceId}>
            {device.label || `${t(props.label)} ${index + 1}`}
          </option>
        ))}
      </select>
      {state.fellBack && <span class="field-note">{t('fellBack', { name: state.fellBack })}</span>}
    </label>
  );
}
