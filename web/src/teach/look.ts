/** The look of this page, in the order in which it applies. */
import '../ui/tokens.css';
import '../ui/base.css';
import '../page/stage.css';
import './live.css';
import './live_stage.css';
import './hands.css';
import './live_bar.css';
import './panels.css';
import './wall.css';
import './preflight.css';
import './floating.css';
