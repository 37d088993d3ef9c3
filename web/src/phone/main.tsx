import './look';
import { boot } from '../page/boot';
import { Phone } from './phone';
import { PhonePage } from './phone_page';

boot('phone', (client, token) => <PhonePage phone={new Phone(client, token)} />);
